/** Error correction of stored bytes: Reed-Solomon over shards with a CRC each (`docs/format.md`, "Error correction"). */
