"""What ``vlsu guards`` shows: sentences, tables, charts, and the page of them."""
