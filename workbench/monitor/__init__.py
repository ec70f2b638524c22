"""The monitor: samples of memory and the ledger's events on one time line. No plotting here."""
