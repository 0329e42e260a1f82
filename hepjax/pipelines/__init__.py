"""One file a method: `fit(...)` and its verb, on records of physics."""
