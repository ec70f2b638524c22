"""From a file to stored papers: readers, validation, analysis, passages, the store on disk."""
