"""Google Pub/Sub in one small process, for machines without Java and for faults at will."""
