"""From a query to a ranking: retrieval, fusion, presentation, explanation."""
