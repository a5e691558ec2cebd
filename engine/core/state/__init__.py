"""What the core knows: books, orders, positions, cash."""
