"""Charts as Vega-Lite specifications, whatever they show."""
