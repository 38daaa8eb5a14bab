"""How good grades are: graders, agreement as it grows, disagreement, and where more graders pay."""
