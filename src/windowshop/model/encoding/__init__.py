"""Features of a whole catalogue, made shard by shard: in this process or by a cluster of Ray.

`job` says what is encoded and where its files lie, `worker` encodes a shard, `cluster` has workers
on many machines, `merge` makes one folder of features of the shards, `run` is the way through.
"""
