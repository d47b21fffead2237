"""The methods, one pure function per file, and the code that finds and runs them."""
