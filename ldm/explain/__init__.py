"""What a run did, for people who want to see: recorded while it draws, or asked for afterwards.

Everything shown is computed from the model's own numbers: attention as the softmax of a layer's
real queries and keys, feature maps as a block's real output. A row that is watched
(`ldm.pipeline.Watcher`) shares its U-Net calls with everybody else's; only its own places in them
are looked at or changed. This package does not know the page.
"""
