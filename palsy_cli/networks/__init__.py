"""The five papers' networks: ``nn.Module`` only, tensors in, tensors out; each is importable and trainable alone."""
