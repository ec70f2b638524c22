"""Papers as people have them: one module a family of formats, told by content, not by name.

`read_source` (reading.py) takes anything; `sniff` (sniffing.py) says what a file is.
"""
