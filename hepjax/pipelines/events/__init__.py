"""Events of two levels: what all methods of unfolding share."""
