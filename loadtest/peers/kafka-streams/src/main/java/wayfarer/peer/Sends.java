package wayfarer.peer;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.charset.StandardCharsets;

/** What leaves: a reminder as JSON. */
final class Sends {
    private Sends() {}

    static byte[] reminder(String user, long deadline) {
        var line = JsonNodeFactory.instance.objectNode();
        line.put("user", user).put("channel", "push").put("content", "reminder").put("at", deadline);
        return line.toString().getBytes(StandardCharsets.UTF_8);
    }
}
