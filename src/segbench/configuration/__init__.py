"""The configuration: its schema, the resolvers of the YAML files, and building what it names."""
