"""One verb, one file: the function of the file's name, and which groups of flags and knobs it takes."""
