package wayfarer.peer;

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.CompressionType;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;

/**
 * RocksDB for a state that fits into memory: one large cache of blocks for all stores, Bloom filters, nothing
 * compressed.
 *
 * <p>Public with a public constructor: Kafka Streams makes one for each store.
 */
public final class RocksSettings implements RocksDBConfigSetter {
    static {
        // Kafka Streams loads it with the first store, which is later.
        RocksDB.loadLibrary();
    }

    private static final Cache BLOCKS = new LRUCache(512L << 20);
    private static final BloomFilter FILTER = new BloomFilter(10);

    /** Made by Kafka Streams. */
    public RocksSettings() {}

    static void set(Properties all) {
        all.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
    }

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(BLOCKS);
        table.setFilterPolicy(FILTER);
        table.setCacheIndexAndFilterBlocks(true);
        options.setTableFormatConfig(table);
        options.setCompressionType(CompressionType.NO_COMPRESSION);
        options.setWriteBufferSize(32L << 20);
        options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {
        // The cache and the filter are of all stores, and end with the process.
    }
}
