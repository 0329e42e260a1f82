"""Showers: what all their pipelines share."""
