package wayfarer.peer;

import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;

/**
 * Cart abandonment on Kafka Streams: who fills a cart and does not order for as long as the patience lasts is reminded.
 *
 * <p>Three forms of the same program: {@code rocksdb} and {@code memory} keep carts and timers in stores and parse with
 * Jackson, {@code lean} keeps its timers on the heap and parses by hand.
 */
public final class Main {
    private Main() {}

    /** Arguments: {@code --name value}, as {@link Options} names them. Runs until it is asked to end. */
    public static void main(String[] arguments) {
        Options options;
        try {
            options = Options.of(arguments);
        } catch (IllegalArgumentException wrong) {
            System.err.println("kafka-streams peer: " + wrong.getMessage());
            System.exit(2);
            return;
        }
        KafkaStreams streams = new KafkaStreams(topology(options), Settings.of(options));
        streams.setUncaughtExceptionHandler(error -> {
            System.err.println("kafka-streams peer: " + error);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    /** Events → the job, with its stores → sends. */
    private static Topology topology(Options options) {
        long patience = options.patienceMs();
        ProcessorSupplier<byte[], byte[], byte[], byte[]> job = switch (options.form()) {
            case ROCKSDB -> new StoredTimers.Supplier(patience, true);
            case MEMORY -> new StoredTimers.Supplier(patience, false);
            case LEAN -> new HeapTimers.Supplier(patience);
        };
        var bytes = new ByteArrayDeserializer();
        return new Topology()
                .addSource("events", bytes, bytes, options.events())
                .addProcessor("carts", job, "events")
                .addSink("sends", options.sends(), new ByteArraySerializer(), new ByteArraySerializer(), "carts");
    }
}
