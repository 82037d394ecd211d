"""The compose page: from a draft to shots that are bought."""
