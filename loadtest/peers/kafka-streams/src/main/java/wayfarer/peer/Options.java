package wayfarer.peer;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What it is told to do. The names are those of wayfarer-load's own peer. */
record Options(
        Form form,
        String brokers,
        String events,
        String sends,
        String group,
        int threads,
        long patienceMs,
        String directory) {

    /** Where the carts and their timers are. */
    enum Form { ROCKSDB, MEMORY, LEAN }

    /** Of {@code --name value} pairs; each name once. */
    static Options of(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            given.put(arguments[at], arguments[at + 1]);
        }
        return new Options(
                Form.valueOf(needed(given, "--form").toUpperCase(Locale.ROOT)),
                needed(given, "--brokers"),
                needed(given, "--events"),
                needed(given, "--sends"),
                needed(given, "--group"),
                Integer.parseInt(needed(given, "--threads")),
                Long.parseLong(needed(given, "--patience-ms")),
                needed(given, "--directory"));
    }

    private static String needed(Map<String, String> given, String name) {
        String value = given.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the argument " + name + " is missing");
        }
        return value;
    }
}
