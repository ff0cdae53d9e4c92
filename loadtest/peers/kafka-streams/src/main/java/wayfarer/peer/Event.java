package wayfarer.peer;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;

/** What the job needs of an event, by Jackson: typed, everything else skipped. */
@JsonIgnoreProperties(ignoreUnknown = true)
record Event(@JsonProperty("userId") String user, @JsonProperty("event") String name) {
    static final String CART = "Cart Updated";
    static final String ORDER = "Order Completed";

    private static final ObjectReader READER = new ObjectMapper().readerFor(Event.class);

    static Event parse(byte[] json) {
        try {
            Event event = READER.readValue(json);
            if (event.user == null || event.name == null) {
                throw new IllegalArgumentException("an event without userId or event");
            }
            return event;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
