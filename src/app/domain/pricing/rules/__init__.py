"""How much: what a price is made of, and what it is. Pure: now and the shop's zone are arguments."""
