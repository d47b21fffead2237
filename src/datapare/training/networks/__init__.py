"""Networks that datapare builds: one file for one architecture, found by looking into this folder.

    NAMES    what `model` calls them
    KINDS    the kinds of data they read
    build    (inputs, num_classes, config) -> nn.Module, initialised from the global torch generator

A network may be any nn.Module that maps what `Network.prepare` returns to logits (B, K). One derived from
`classifier.Classifier` says what its features are; of others they are what enters the last linear layer.
"""
