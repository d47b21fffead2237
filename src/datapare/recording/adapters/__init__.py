"""Thin hooks that record in trainers of other libraries; each module needs the library it is named after."""
