"""What runs use and cost: the analytics hook, prices, metrics."""
