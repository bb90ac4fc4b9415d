"""The options: declared once, parsed once, checked before the app starts."""
