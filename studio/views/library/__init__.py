"""Prompts, presets and blind tests."""
