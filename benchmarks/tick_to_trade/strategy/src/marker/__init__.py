"""The strategy of the wire-to-wire benchmark: an order for each book whose best bid has the marker in its size."""
