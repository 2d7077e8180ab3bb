"""`make release VERSION=x.y.z`: `texts` and `page` are pure, `__main__` does the steps. See docs/releases.md."""
