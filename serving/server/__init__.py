"""A directory of bundles over HTTP: `python -m serving.server --models=bundles/`. Needs the extra `server`."""
