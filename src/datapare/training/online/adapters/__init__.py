"""Adapters that prune during trainings of other libraries; each module needs the library that it is named after."""
