"""The gallery's cards, drawn without the template engine.

A gallery page has sixty of them, and their templates took most of its time. The markup stays in
templates/_clip_*.html, which hold nothing but {{ names }}; what goes in is made here.
"""
