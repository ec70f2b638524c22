"""A corpus over HTTP: Semantic Scholar's Graph API, the workbench's own verbs, and a page. It calls
the session's public operations and ranks nothing itself."""
