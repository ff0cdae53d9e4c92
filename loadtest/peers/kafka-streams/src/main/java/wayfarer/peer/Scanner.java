package wayfarer.peer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Bytes;

/**
 * A parser of one's own: it walks the members of the outermost object, and stops as soon as it has both that the job
 * needs. Strings with escapes, and what it does not find, are left to Jackson.
 */
final class Scanner {
    private static final byte[] USER = "\"userId\":\"".getBytes(StandardCharsets.UTF_8);
    private static final byte[] NAME = "\"event\":\"".getBytes(StandardCharsets.UTF_8);
    private static final byte[] CART = Event.CART.getBytes(StandardCharsets.UTF_8);
    private static final byte[] ORDER = Event.ORDER.getBytes(StandardCharsets.UTF_8);

    /** What the event is to the job. */
    enum Deed { CART, ORDER, OTHER }

    private Bytes user;
    private Deed deed;

    Bytes user() {
        return user;
    }

    Deed deed() {
        return deed;
    }

    /** Looks at one event; what it found stays until the next. */
    void scan(byte[] json) {
        user = null;
        deed = null;
        int depth = 0;
        for (int at = 0; at < json.length; at++) {
            byte here = json[at];
            if (here == '"') {
                int value = depth == 1 ? member(json, at) : -1;
                at = endOfString(json, value < 0 ? at + 1 : value);
                if (user != null && deed != null) {
                    return;
                }
            } else if (here == '{' || here == '[') {
                depth++;
            } else if (here == '}' || here == ']') {
                depth--;
            }
        }
        slowly(json);
    }

    /** Takes the member whose name begins here if it is wanted: where its value begins, or -1. */
    private int member(byte[] json, int at) {
        boolean isUser = starts(json, at, USER);
        if (!isUser && !starts(json, at, NAME)) {
            return -1;
        }
        int from = at + (isUser ? USER.length : NAME.length);
        int end = from;
        while (end < json.length && json[end] != '"' && json[end] != '\\') {
            end++;
        }
        if (end < json.length && json[end] == '"') {
            if (isUser) {
                user = Bytes.wrap(Arrays.copyOfRange(json, from, end));
            } else {
                deed = deed(json, from, end);
            }
        }
        return from;
    }

    private static Deed deed(byte[] json, int from, int end) {
        if (Arrays.equals(json, from, end, CART, 0, CART.length)) {
            return Deed.CART;
        }
        return Arrays.equals(json, from, end, ORDER, 0, ORDER.length) ? Deed.ORDER : Deed.OTHER;
    }

    private static boolean starts(byte[] json, int at, byte[] with) {
        return at + with.length <= json.length
                && Arrays.equals(json, at, at + with.length, with, 0, with.length);
    }

    private static int endOfString(byte[] json, int from) {
        int at = from;
        while (at < json.length && json[at] != '"') {
            at += json[at] == '\\' ? 2 : 1;
        }
        return at;
    }

    private void slowly(byte[] json) {
        Event event = Event.parse(json);
        byte[] name = event.name().getBytes(StandardCharsets.UTF_8);
        user = Bytes.wrap(event.user().getBytes(StandardCharsets.UTF_8));
        deed = deed(name, 0, name.length);
    }
}
