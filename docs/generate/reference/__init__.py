"""The reference: pages that are made of the command, the schemas, the operations and the vectors."""
