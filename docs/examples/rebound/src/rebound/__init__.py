"""An example: buys after a fall, sells a while later."""
