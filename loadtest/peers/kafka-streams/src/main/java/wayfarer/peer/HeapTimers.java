package wayfarer.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The job as lean as Kafka Streams lets it be: one record of the changelog an event, timers on the heap, rebuilt from
 * the store, and lazy: a deadline that moves leaves its timer where it is, which is set anew when it comes due.
 */
final class HeapTimers implements Processor<byte[], byte[], byte[], byte[]> {
    private static final String CARTS = "carts";
    private static final Duration LOOK_EVERY = Duration.ofSeconds(1);

    /** A user's cart; without a deadline there is none, and only its timer is left. */
    private static final class Cart implements Comparable<Cart> {
        private static final long NONE = Long.MAX_VALUE;

        private final Bytes user;
        private long deadline;
        /** When its timer looks; never after the deadline. */
        private long looks;

        private Cart(Bytes user, long deadline) {
            this.user = user;
            this.deadline = deadline;
            this.looks = deadline;
        }

        @Override
        public int compareTo(Cart other) {
            return Long.compare(looks, other.looks);
        }
    }

    private final long patience;
    private final Scanner scanner = new Scanner();
    private final Map<Bytes, Cart> carts = new HashMap<>();
    private final PriorityQueue<Cart> timers = new PriorityQueue<>();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> store;

    private HeapTimers(long patience) {
        this.patience = patience;
    }

    /** Makes one for each partition, with its store. */
    record Supplier(long patience) implements ProcessorSupplier<byte[], byte[], byte[], byte[]> {
        @Override
        public Processor<byte[], byte[], byte[], byte[]> get() {
            return new HeapTimers(patience);
        }

        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(Stores.keyValueStoreBuilder(
                    new HashStore.Supplier(CARTS), Serdes.Bytes(), Serdes.ByteArray()));
        }
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(CARTS);
        try (KeyValueIterator<Bytes, byte[]> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, byte[]> cart = all.next();
                arm(cart.key, ByteBuffer.wrap(cart.value).getLong());
            }
        }
        context.schedule(LOOK_EVERY, PunctuationType.WALL_CLOCK_TIME, this::fire);
    }

    private Cart arm(Bytes user, long deadline) {
        Cart cart = new Cart(user, deadline);
        carts.put(user, cart);
        timers.add(cart);
        return cart;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        scanner.scan(record.value());
        switch (scanner.deed()) {
            case CART -> fill(carts.get(scanner.user()), record.timestamp() + patience);
            case ORDER -> empty(carts.get(scanner.user()));
            case OTHER -> { }
        }
    }

    private void fill(Cart known, long deadline) {
        Cart cart = known == null ? arm(scanner.user(), deadline) : known;
        cart.deadline = deadline;
        if (deadline < cart.looks) {
            // Only a clock that was set back does this.
            timers.remove(cart);
            cart.looks = deadline;
            timers.add(cart);
        }
        store.put(cart.user, ByteBuffer.allocate(8).putLong(deadline).array());
    }

    private void empty(Cart cart) {
        if (cart != null && cart.deadline != Cart.NONE) {
            cart.deadline = Cart.NONE;
            store.delete(cart.user);
        }
    }

    private void fire(long now) {
        while (!timers.isEmpty() && timers.peek().looks <= now) {
            Cart cart = timers.poll();
            if (cart.deadline <= now) {
                store.delete(cart.user);
                String user = new String(cart.user.get(), StandardCharsets.UTF_8);
                context.forward(new Record<>(cart.user.get(), Sends.reminder(user, cart.deadline), now));
            }
            if (cart.deadline <= now || cart.deadline == Cart.NONE) {
                carts.remove(cart.user);
            } else {
                cart.looks = cart.deadline;
                timers.add(cart);
            }
        }
    }
}
