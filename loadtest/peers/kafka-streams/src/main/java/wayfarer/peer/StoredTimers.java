package wayfarer.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The job with two stores: the deadline of each user's cart, and the users by deadline, where timers look. */
final class StoredTimers implements Processor<byte[], byte[], byte[], byte[]> {
    private static final String CARTS = "carts";
    private static final String TIMERS = "timers";
    private static final byte[] NOTHING = {};
    /** How often timers are looked for. */
    private static final Duration LOOK_EVERY = Duration.ofSeconds(1);

    private final long patience;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, Long> carts;
    private KeyValueStore<Bytes, byte[]> timers;

    private StoredTimers(long patience) {
        this.patience = patience;
    }

    /** Makes one for each partition, with its stores: in RocksDB or in memory. */
    record Supplier(long patience, boolean onDisk) implements ProcessorSupplier<byte[], byte[], byte[], byte[]> {
        @Override
        public Processor<byte[], byte[], byte[], byte[]> get() {
            return new StoredTimers(patience);
        }

        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(
                    Stores.keyValueStoreBuilder(store(CARTS), Serdes.String(), Serdes.Long()),
                    Stores.keyValueStoreBuilder(store(TIMERS), Serdes.Bytes(), Serdes.ByteArray()));
        }

        private KeyValueBytesStoreSupplier store(String name) {
            return onDisk ? Stores.persistentKeyValueStore(name) : Stores.inMemoryKeyValueStore(name);
        }
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        carts = context.getStateStore(CARTS);
        timers = context.getStateStore(TIMERS);
        context.schedule(LOOK_EVERY, PunctuationType.WALL_CLOCK_TIME, this::fire);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        Event event = Event.parse(record.value());
        switch (event.name()) {
            case Event.CART -> {
                disarm(event.user(), carts.get(event.user()));
                long deadline = record.timestamp() + patience;
                carts.put(event.user(), deadline);
                timers.put(timer(deadline, event.user()), NOTHING);
            }
            case Event.ORDER -> disarm(event.user(), carts.delete(event.user()));
            default -> { }
        }
    }

    private void disarm(String user, Long deadline) {
        if (deadline != null) {
            timers.delete(timer(deadline, user));
        }
    }

    private void fire(long now) {
        List<KeyValue<String, Long>> due = new ArrayList<>();
        try (KeyValueIterator<Bytes, byte[]> all = timers.range(timer(0, ""), timer(now + 1, ""))) {
            while (all.hasNext()) {
                ByteBuffer timer = ByteBuffer.wrap(all.next().key.get());
                long deadline = timer.getLong();
                due.add(KeyValue.pair(StandardCharsets.UTF_8.decode(timer).toString(), deadline));
            }
        }
        for (KeyValue<String, Long> cart : due) {
            disarm(cart.key, cart.value);
            carts.delete(cart.key);
            byte[] user = cart.key.getBytes(StandardCharsets.UTF_8);
            context.forward(new Record<>(user, Sends.reminder(cart.key, cart.value), now));
        }
    }

    /** Sorted by deadline: milliseconds since 1970 are not negative. */
    private static Bytes timer(long deadline, String user) {
        byte[] name = user.getBytes(StandardCharsets.UTF_8);
        return Bytes.wrap(ByteBuffer.allocate(8 + name.length).putLong(deadline).put(name).array());
    }
}
