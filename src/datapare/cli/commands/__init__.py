"""One command, one file: the function of the file's name; OPTIONS and METHOD_PARAMS say which flags it shares."""
