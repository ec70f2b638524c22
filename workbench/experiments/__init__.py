"""What was measured, kept so that the same numbers can be had again, or the reason why not.

A record goes into one SQLite file, its tables into Parquet files named by their content, both in
the folder `experiments` of a corpus. Nothing is ever rewritten.
"""
