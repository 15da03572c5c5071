"""Bodies of requests and answers, one file a resource; field names as in SQL and Avro."""
