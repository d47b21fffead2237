"""Signals that need the trained network: one signal, one file, named after the channel or array it fills.

    network   maps a batch of rows to logits (B, K), and in eval mode sees each row by itself
    take      gives the rows at positions (B,) int64 as a batch on the network's device: rows.take, or i -> x[i]
    label     (N,) class numbers

A probe runs the network in eval mode and leaves it as it was. The rows are as they are: nothing is augmented.
"""
