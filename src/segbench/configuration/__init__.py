"""The configuration, and whether it may run.

Each question is asked in one place, in this order, and before any data is read:

1. Is there such a choice, such a key? Hydra says; :func:`segbench.entry.explain` says it in one line.
2. Is every value of its type, does every class have the option? :func:`segbench.configuration.schema.validate`, asked
   for a single run before its directory is made, for all jobs of a sweep before the first is started, and by training.
3. Does a class take its values? Its constructor says; :mod:`segbench.configuration.build` passes on what it refuses.
4. Do the parts fit each other? :func:`segbench.configuration.check.check_parts` asks the parts.

What decides the best epoch is in :mod:`segbench.configuration.monitor`, what YAML files compute in
:mod:`segbench.configuration.resolvers`.
"""
