"""The reload methods, one module each, named as in `options/reload_options.py`.

`make(settings, directory)` makes the method; `directory` is where the app sees its files. It raises
UsageError.
"""
