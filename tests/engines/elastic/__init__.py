"""What is particular to Elasticsearch: connection, bulk, versions, attaching, faults."""
