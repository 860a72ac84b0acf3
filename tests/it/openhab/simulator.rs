//! The simulated openHAB sends what the real one was recorded to send when it was asked the same.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::harness::{
    clock::FastClock,
    openhab::{Dialect, OpenHab},
    recording::{Exchange, exchanges, text},
    within,
};

/// The version that is simulated.
const VERSION: &str = "5.2.1";

const ALIVE: &str = "31\r\nevent: alive\ndata: {\"type\":\"ALIVE\",\"interval\":10}\r\n2\r\n\n\n";

/// An openHAB with the items as they were when their states were recorded.
fn recorded_house() -> OpenHab {
    let items = [("P", "NULL"), ("E", "12300 kWh"), ("M2", "UNDEF"), ("G", "7 W")];
    let openhab = OpenHab::start(&items);
    openhab.set("P", "777 W");
    openhab
}

/// A client that knows no HTTP.
struct Client(TcpStream);

impl Client {
    async fn connect(openhab: &OpenHab) -> Self {
        Self(TcpStream::connect(openhab.address).await.unwrap())
    }

    async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Puts something, and returns the head of the answer, whose body is lost with the connection.
    async fn put(mut self, path: &str, content: &str) -> String {
        let length = content.len();
        self.send(&format!(
            "PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{content}"
        ))
        .await;
        self.head().await
    }

    /// Asks what was asked in a recording.
    async fn ask(&mut self, exchange: &Exchange) {
        self.send(&format!("{}\r\n\r\n", exchange.request.join("\r\n"))).await;
    }

    async fn receive(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        within(self.0.read_exact(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// What comes until the head of an answer ends.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head += &self.receive(1).await;
        }
        head
    }

    /// What still comes before the other side closes.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        within(self.0.read_to_string(&mut rest)).await.unwrap();
        rest
    }
}

/// The text with every time in it made the same.
fn timeless(text: &str) -> String {
    let mut timeless = text.to_owned();
    for (start, end) in [
        ("Date: ", "\r\n"),
        ("\"lastStateUpdate\":", ","),
        ("\"lastStateChange\":", ","),
        ("\\\"lastStateUpdate\\\":\\\"", "\\\""),
        ("\\\"lastStateChange\\\":\\\"", "\\\""),
    ] {
        let parts = timeless.split(start).enumerate().map(|(index, part)| match index {
            0 => part.to_owned(),
            _ => format!("TIME{end}{}", part.split_once(end).unwrap().1),
        });
        timeless = parts.collect::<Vec<_>>().join(start);
    }
    timeless
}

#[tokio::test]
async fn answers_are_the_recorded_bytes() {
    let openhab = recorded_house();
    let mut client = Client::connect(&openhab).await;
    for recording in ["item-state", "item", "404", "401"] {
        for exchange in exchanges(VERSION, recording) {
            let recorded = String::from_utf8(exchange.answer()).unwrap();
            client.ask(&exchange).await;
            // On one connection: a byte too many would show in the next answer.
            let answer = client.receive(recorded.len()).await;
            assert_eq!(timeless(&answer), timeless(&recorded), "{}", exchange.wanted());
        }
    }
}

/// The heads of answers to `curl`, each with its request, as the recording has them.
fn recorded_heads() -> Vec<(String, String)> {
    let text = text("4.3.11", "put").replace("9.4.54.v20240208", "9.4.58.v20250814");
    // The request comes after its answer.
    let (mut answer, rest) = text.split_once("^^ ").unwrap();
    let mut heads = Vec::new();
    for part in rest.split("^^ ") {
        let (request, next) = part.split_once('\n').unwrap();
        let head: Vec<_> = answer.lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
        heads.push((request.to_owned(), format!("{}\r\n\r\n", head.join("\r\n"))));
        answer = next;
    }
    heads
}

#[tokio::test]
async fn states_are_put_as_recorded() {
    let openhab = recorded_house();
    let mut puts = 0;
    for (request, recorded) in recorded_heads() {
        // Neither commands nor HEAD are simulated.
        if request.starts_with("HEAD") || request == "POST /rest/items/P" {
            continue;
        }
        let mut client = Client::connect(&openhab).await;
        client
            .send(&format!("{request} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n5 kWh"))
            .await;
        assert_eq!(timeless(&client.head().await), timeless(&recorded), "{request}");
        puts += 1;
    }
    assert_eq!(puts, 4);
}

#[tokio::test]
async fn what_is_no_state_of_the_item_is_refused_by_name() {
    let openhab = recorded_house();
    let mut client = Client::connect(&openhab).await;
    let put = "PUT /rest/items/P/state HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nnonsense";
    client.send(put).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    let body = r#"{"error":{"message":"State could not be parsed: nonsense","http-code":400}}"#;
    let chunks = format!("{:X}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(client.receive(chunks.len()).await, chunks);
    let [read, ..] = &exchanges(VERSION, "item-state")[..] else { unreachable!() };
    client.ask(read).await;
    client.head().await;
    assert_eq!(client.receive(5).await, "777 W");
}

/// What a starting openHAB answered to a request for an item's state, its JSON, or events, as far as it
/// found nothing, in the order of its coming.
fn recorded_while_starting(wanted: &str) -> Vec<Exchange> {
    let mut recorded = exchanges(VERSION, "starting");
    recorded.retain(|exchange| {
        let answer = String::from_utf8(exchange.answer()).unwrap();
        // For a moment some of the paths are there, but not all.
        let has_half = answer.contains("Allow: DELETE,POST,GET,OPTIONS,HEAD");
        exchange.wanted().starts_with(wanted) && answer.contains(" 404 ") && !has_half
    });
    recorded
}

#[tokio::test]
async fn while_it_starts_it_finds_nothing_in_four_ways() {
    let _clock = FastClock::start();
    let openhab = recorded_house();
    openhab.start_slowly(Duration::from_secs(8));
    let [state, item, events] =
        ["GET /rest/items/P/state", "GET /rest/items/P?", "GET /rest/events"]
            .map(recorded_while_starting);
    assert_eq!([state.len(), item.len(), events.len()], [4, 4, 2]);
    let mut client = Client::connect(&openhab).await;
    for stage in 0..4 {
        for exchange in [state.get(stage), item.get(stage), events.get(stage)].into_iter().flatten()
        {
            let recorded = String::from_utf8(exchange.answer()).unwrap();
            client.ask(exchange).await;
            let answer = client.receive(recorded.len()).await;
            assert_eq!(timeless(&answer), timeless(&recorded), "{}", exchange.wanted());
        }
        sleep(Duration::from_secs(2)).await;
    }
    let [read, ..] = &exchanges(VERSION, "item-state")[..] else { unreachable!() };
    client.ask(read).await;
    let state = String::from_utf8(read.answer()).unwrap();
    assert_eq!(timeless(&client.receive(state.len()).await), timeless(&state));
}

#[tokio::test]
async fn a_head_may_have_8_kib() {
    let openhab = recorded_house();
    for (padding, expected) in [(8000, "200 OK"), (8200, "414 URI Too Long")] {
        let mut client = Client::connect(&openhab).await;
        let query = "x".repeat(padding);
        client.send(&format!("GET /rest/?{query} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn a_stream_is_the_recorded_bytes_and_ends_without_a_last_chunk() {
    let _clock = FastClock::start();
    let mut openhab = OpenHab::start(&[("P", "NULL")]);
    let mut client = Client::connect(&openhab).await;
    let [exchange] = &exchanges(VERSION, "events-all-items")[..] else { unreachable!() };
    let recorded = String::from_utf8(exchange.answer()).unwrap();
    client.ask(exchange).await;
    let (head, events) = recorded.split_at(recorded.find("\r\n\r\n").unwrap() + 4);
    assert_eq!(client.head().await, head);

    openhab.set("P", "1234 W");
    // The first update of an item has no times, and so the sizes of its chunks are the same, too.
    let second = events.match_indices("openhab/items/P/state\"").nth(1).unwrap().0;
    let first = &events[..events[..second].rfind("\r\n2\r\n\n\n").unwrap() + 7];
    assert_eq!(first.matches("event: message").count(), 3);
    assert_eq!(client.receive(first.len()).await, first);

    // Nothing else happens until the next sign of life.
    let alive = format!("\r\n{ALIVE}");
    assert_eq!(client.receive(alive.len()).await, alive);
    openhab.stop().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_event_has_the_times_before_it() {
    let openhab = OpenHab::start(&[("P", "NULL")]);
    let mut client = Client::connect(&openhab).await;
    let [exchange] = &exchanges(VERSION, "events-all-items")[..] else { unreachable!() };
    client.ask(exchange).await;
    client.head().await;
    for _ in 0..2 {
        openhab.set("P", "1234 W");
    }
    let recorded = timeless(&String::from_utf8(exchange.answer()).unwrap());
    let updated = recorded.lines().filter(|line| line.contains("P/stateupdated")).nth(1).unwrap();
    let mut stream = String::new();
    while !timeless_ends(&stream, updated) {
        stream += &client.receive(1).await;
    }
}

/// HTTP/1.0 has no chunks.
#[tokio::test]
async fn a_stream_for_an_old_client_is_not_chunked() {
    // Without signs of life.
    let mut openhab = OpenHab::start_as(Dialect::Legacy, &[("P", "NULL")]);
    let mut client = Client::connect(&openhab).await;
    client.send("GET /rest/events?topics=openhab/items/P/state HTTP/1.0\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(!head.contains("Transfer-Encoding"), "{head}");
    let event = "event: message\ndata: {\"topic\":\"openhab/items/P/state\",\"payload\":\
                 \"{\\\"type\\\":\\\"Quantity\\\",\\\"value\\\":\\\"5 W\\\"}\",\"type\":\"ItemStateEvent\"}\n\n";
    for _ in 0..2 {
        openhab.set("P", "5 W");
        assert_eq!(client.receive(event.len()).await, event);
    }
    openhab.stop().await;
    assert_eq!(client.rest().await, "");
}

/// Whether a stream that may end within a time ends with this line.
fn timeless_ends(stream: &str, line: &str) -> bool {
    stream.ends_with('}') && stream.lines().next_back().is_some_and(|last| timeless(last) == line)
}

#[tokio::test]
async fn all_streams_have_their_signs_of_life_at_once() {
    let _clock = FastClock::start();
    let openhab = recorded_house();
    let mut beats = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&openhab).await;
        client.send("GET /rest/events HTTP/1.1\r\nHost: h\r\n\r\n").await;
        client.head().await;
        assert_eq!(client.receive(ALIVE.len()).await, ALIVE);
        beats.push((client, Instant::now()));
        // The second comes in the middle between two of the first.
        sleep(Duration::from_secs(5)).await;
    }
    let between = beats[1].1 - beats[0].1;
    let around = Duration::from_millis(9900)..Duration::from_millis(10_200);
    assert!(
        around.contains(&between),
        "{between:?} from the first of one to the first of the other"
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_30_s() {
    let _clock = FastClock::start();
    let openhab = recorded_house();
    let mut client = Client::connect(&openhab).await;
    let [read, ..] = &exchanges(VERSION, "item-state")[..] else { unreachable!() };
    client.ask(read).await;
    client.receive(read.answer().len()).await;
    let answered = Instant::now();
    // Longer than `within` would wait.
    assert_eq!(client.0.read(&mut [0]).await.unwrap(), 0);
    let idle = answered.elapsed();
    let around = Duration::from_millis(29_900)..Duration::from_millis(30_500);
    assert!(around.contains(&idle), "closed after {idle:?}");
}

#[tokio::test]
async fn topics_that_do_not_validate_have_no_answer() {
    let _clock = FastClock::start();
    let openhab = recorded_house();
    let recorded = exchanges(VERSION, "400");
    let silent: Vec<_> = recorded.iter().filter(|exchange| exchange.pieces.is_empty()).collect();
    assert_eq!(silent.len(), 2);
    for exchange in silent {
        let mut client = Client::connect(&openhab).await;
        client.ask(exchange).await;
        let answer = timeout(Duration::from_secs(40), client.0.read(&mut [0])).await;
        assert!(answer.is_err(), "{} is answered", exchange.wanted());
        client.0.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "");
    }
}

/// The events of a recording about items whose name begins so, one a line, without their times.
fn recorded_events(topic: &str) -> Vec<String> {
    let [exchange] = &exchanges(VERSION, "events-all-items")[..] else { unreachable!() };
    let recorded = timeless(&String::from_utf8(exchange.answer()).unwrap());
    let wanted = format!("data: {{\"topic\":\"openhab/items/{topic}/");
    recorded.lines().filter(|line| line.starts_with(&wanted)).map(str::to_owned).collect()
}

/// The next events of a stream.
async fn next_events(stream: &mut Client, count: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches("}\r\n2\r\n\n\n").count() < count {
        text += &stream.receive(1).await;
    }
    timeless(&text).lines().filter(|line| line.starts_with("data:")).map(str::to_owned).collect()
}

async fn listen(openhab: &OpenHab, topics: &str) -> Client {
    let mut stream = Client::connect(openhab).await;
    stream.send(&format!("GET /rest/events?topics={topics} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    stream.head().await;
    stream
}

/// Defines an item, and returns the status of the answer.
pub(crate) async fn define(openhab: &OpenHab, name: &str, more: &str) -> String {
    let item = format!("{{\"name\":\"{name}\",{more}}}");
    let head = Client::connect(openhab).await.put(&format!("/rest/items/{name}"), &item).await;
    head.lines().next().unwrap().to_owned()
}

/// An openHAB with the group that was recorded, and the names of its members.
async fn house_with_group() -> (OpenHab, [&'static str; 2]) {
    let openhab = OpenHab::start(&[]);
    let group = r#""type":"Group","groupType":"Number:Power","function":{"name":"SUM"}"#;
    assert_eq!(define(&openhab, "G", group).await, "HTTP/1.1 201 Created");
    for member in ["M1", "M2"] {
        let member = define(&openhab, member, r#""type":"Number:Power","groupNames":["G"]"#).await;
        assert_eq!(member, "HTTP/1.1 201 Created");
    }
    (openhab, ["M1", "M2"])
}

#[tokio::test]
async fn a_group_has_the_recorded_events_under_the_names_of_its_members() {
    let (openhab, _) = house_with_group().await;
    let mut stream = listen(&openhab, "openhab/items/G/*").await;
    let mut events = Vec::new();
    for (member, state, count) in [
        ("M1", "100 W", 2),
        ("M2", "1000 W", 2),
        ("M2", "1000 W", 1),
        ("M2", "UNDEF", 2),
        ("M1", "NULL", 2),
        ("M1", "7 W", 2),
    ] {
        openhab.set(member, state);
        events.extend(next_events(&mut stream, count).await);
    }
    assert_eq!(events, recorded_events("G"));

    let mut client = Client::connect(&openhab).await;
    let [recorded, ..] = &exchanges(VERSION, "item-group")[..] else { unreachable!() };
    client.ask(recorded).await;
    let answer = String::from_utf8(recorded.answer()).unwrap();
    assert_eq!(timeless(&client.receive(answer.len()).await), timeless(&answer));
}

#[tokio::test]
async fn the_events_of_a_group_come_out_of_order_when_members_change_at_once() {
    let (openhab, members) = house_with_group().await;
    let mut stream = listen(&openhab, "openhab/items/G/*statechanged").await;
    let mut misleading = 0;
    for burst in 0..20 {
        for (index, member) in members.into_iter().enumerate() {
            openhab.set(member, &format!("{} W", 10 * burst + index + 1));
        }
        let events = next_events(&mut stream, members.len()).await;
        let sum = format!("\\\"value\\\":\\\"{} W\\\"", 20 * burst + 3);
        assert!(events.iter().any(|event| event.contains(&sum)), "no {sum} in {events:?}");
        misleading += usize::from(!events.last().unwrap().contains(&sum));
    }
    assert!((1..20).contains(&misleading), "{misleading} of 20 end with another state");
}

#[tokio::test]
async fn items_are_edited_removed_and_added_with_the_recorded_events() {
    let openhab = OpenHab::start(&[]);
    let number = r#""type":"Number""#;
    assert_eq!(define(&openhab, "N", number).await, "HTTP/1.1 201 Created");
    openhab.set("N", "5");
    let mut stream = listen(&openhab, "openhab/items/N/updated,openhab/items/N/*ed").await;
    let labelled = define(&openhab, "N", r#""type":"Number","label":"x""#).await;
    assert_eq!(labelled, "HTTP/1.1 200 OK");
    // It has lost its state.
    let mut client = Client::connect(&openhab).await;
    let read = "GET /rest/items/N/state HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(read).await;
    client.head().await;
    assert_eq!(client.receive(4).await, "NULL");

    let delete = "DELETE /rest/items/N HTTP/1.1\r\nHost: h\r\n\r\n";
    for (request, status) in
        [(delete, "200 OK"), (read, "404 Not Found"), (delete, "404 Not Found")]
    {
        let mut client = Client::connect(&openhab).await;
        client.send(request).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {head}");
    }
    for item in [number, r#""type":"String""#, number] {
        define(&openhab, "N", item).await;
    }
    let mut recorded = recorded_events("N");
    recorded.retain(|event| !event.contains("/state"));
    assert_eq!(next_events(&mut stream, recorded.len()).await, recorded);
}
