package parts

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Kafka says which cluster [StartKafka] starts.
type Kafka struct {
	Nodes    int    // each of them broker and controller; default 1
	CacheDir string // where [InstallKafka] put the jars
}

// Cluster is an Apache Kafka cluster on free loopback ports, with its data in a temporary directory.
type Cluster struct {
	dir   string
	nodes []*node
}

// StartKafka starts a cluster and returns when every node takes part in it. The cluster lives until Stop, or until ctx
// ends.
func StartKafka(ctx context.Context, k Kafka) (*Cluster, error) {
	home, err := kafkaHome(k.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if _, err := os.Stat(home); err != nil {
		return nil, fmt.Errorf("start Kafka: it is not installed: %w", err)
	}
	n := max(k.Nodes, 1)
	ports, err := FreePorts(2 * n)
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	dir, err := os.MkdirTemp("", "omnibus-kafka-")
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	c := &Cluster{dir: dir}
	for i := range n {
		c.nodes = append(c.nodes, &node{
			id:         i + 1,
			classpath:  filepath.Join(home, "lib", "*"),
			dir:        filepath.Join(dir, strconv.Itoa(i+1)),
			broker:     "127.0.0.1:" + strconv.Itoa(ports[2*i]),
			controller: "127.0.0.1:" + strconv.Itoa(ports[2*i+1]),
		})
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f        // or one in 64 begins with "-", which the format tool takes for a flag
	clusterID := base64.RawURLEncoding.EncodeToString(id)
	starting, startingCtx := errgroup.WithContext(ctx)
	for _, node := range c.nodes {
		starting.Go(func() error {
			if err := node.format(startingCtx, clusterID, c.settings(node), n == 1); err != nil {
				return err
			}
			if err := node.start(ctx); err != nil {
				return err
			}
			return node.awaitStarted(startingCtx)
		})
	}
	if err := starting.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("start Kafka: %w", err), c.Stop())
	}
	return c, nil
}

// Brokers returns the bootstrap addresses, in order of the nodes.
func (c *Cluster) Brokers() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.broker)
	}
	return addrs
}

// Kill ends a node (1 is the first) as a power cut would, and returns when its process is gone.
func (c *Cluster) Kill(node int) error {
	n, err := c.node(node)
	if err != nil {
		return fmt.Errorf("kill Kafka node: %w", err)
	}
	return n.kill()
}

// Shut ends a node in order: it hands over what it leads first. It returns when the process is gone, or with an error, and the
// process killed, when ctx ends before.
func (c *Cluster) Shut(ctx context.Context, node int) error {
	n, err := c.node(node)
	if err != nil {
		return fmt.Errorf("shut Kafka node down: %w", err)
	}
	if err := n.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-n.gone:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("shut Kafka node %d down: %w", node, context.Cause(ctx)), n.kill())
	}
}

// Start starts a node again that was killed or shut down, on the data that it left, and returns when it takes part in the
// cluster. The process lives until Stop: ctx bounds the start only.
func (c *Cluster) Start(ctx context.Context, node int) error {
	n, err := c.node(node)
	if err != nil {
		return fmt.Errorf("start Kafka node: %w", err)
	}
	if err := n.start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start Kafka node %d: %w", node, err)
	}
	return n.awaitStarted(ctx)
}

// Freeze stops a node in its tracks, and Thaw lets it go on: what it had to say meanwhile it says late.
func (c *Cluster) Freeze(node int) error {
	n, err := c.node(node)
	if err != nil {
		return fmt.Errorf("freeze Kafka node: %w", err)
	}
	return n.signal(syscall.SIGSTOP)
}

// Thaw lets a node go on that Freeze stopped.
func (c *Cluster) Thaw(node int) error {
	n, err := c.node(node)
	if err != nil {
		return fmt.Errorf("thaw Kafka node: %w", err)
	}
	return n.signal(syscall.SIGCONT)
}

func (c *Cluster) node(number int) (*node, error) {
	if number < 1 || number > len(c.nodes) {
		return nil, fmt.Errorf("the cluster has nodes 1 to %d, not %d", len(c.nodes), number)
	}
	return c.nodes[number-1], nil
}

// Stop ends every node and removes the cluster's data. A second call does nothing.
func (c *Cluster) Stop() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.kill())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// settings returns n's server.properties.
func (c *Cluster) settings(n *node) string {
	lines := []string{
		"process.roles=broker,controller",
		"node.id=" + strconv.Itoa(n.id),
		"listeners=PLAINTEXT://" + n.broker + ",CONTROLLER://" + n.controller,
		"advertised.listeners=PLAINTEXT://" + n.broker,
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs=" + filepath.Join(n.dir, "data"),
		"auto.create.topics.enable=false",
		// Tests wait for neither: groups start at once, and a member that died is missed after a second.
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=1000",
		// Fifty partitions of offsets, the default, cost more than the tests' own topics.
		"offsets.topic.num.partitions=5",
		"transaction.state.log.num.partitions=5",
	}
	if len(c.nodes) == 1 {
		lines = append(lines,
			"controller.quorum.bootstrap.servers="+n.controller,
			"offsets.topic.replication.factor=1",
			"transaction.state.log.replication.factor=1",
			"transaction.state.log.min.isr=1",
		)
	} else {
		var voters []string
		for _, other := range c.nodes {
			voters = append(voters, strconv.Itoa(other.id)+"@"+other.controller)
		}
		lines = append(lines,
			"controller.quorum.voters="+strings.Join(voters, ","),
			// A node that died is missed after three seconds, not nine, and the others elect another controller as soon.
			"broker.session.timeout.ms=3000",
			"broker.heartbeat.interval.ms=500",
			"controller.quorum.fetch.timeout.ms=1500",
			"controller.quorum.election.timeout.ms=1000",
			"controller.quorum.election.backoff.max.ms=500",
		)
	}
	return strings.Join(lines, "\n") + "\n"
}

// node is one Kafka process, which is both broker and controller.
type node struct {
	id                 int
	classpath          string
	dir                string
	broker, controller string

	// set by start
	cmd  *exec.Cmd
	log  *logFile
	gone chan struct{} // closed when the process has ended
}

func (n *node) properties() string { return filepath.Join(n.dir, "server.properties") }

func (n *node) format(ctx context.Context, clusterID, settings string, standalone bool) error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(n.properties(), []byte(settings), 0o644); err != nil {
		return err
	}
	args := []string{"-Xmx256m", "-cp", n.classpath, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.properties()}
	if standalone {
		args = append(args, "--standalone")
	}
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format node %d: %w\n%s", n.id, err, out)
	}
	return nil
}

// start starts the process; ctx is the process's, not the start's.
func (n *node) start(ctx context.Context) error {
	log, err := openLog(filepath.Join(n.dir, "kafka.log"), "Kafka Server started")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "java", "-Xmx512m", "-cp", n.classpath, "kafka.Kafka", n.properties())
	cmd.Dir = n.dir
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start node %d: %w", n.id, err), log.Close())
	}
	n.cmd, n.log, n.gone = cmd, log, make(chan struct{})
	go func() { // kill waits for it
		defer close(n.gone)
		_ = cmd.Wait() // a node ends by being killed: its status says nothing
		_ = log.Close()
	}()
	return nil
}

func (n *node) awaitStarted(ctx context.Context) error {
	select {
	case <-n.log.seen:
		return nil
	case <-n.gone:
		return fmt.Errorf("node %d ended while starting; the end of its log:\n%s", n.id, n.log.tail())
	case <-ctx.Done():
		return fmt.Errorf("node %d has not started: %w; the end of its log:\n%s", n.id, context.Cause(ctx), n.log.tail())
	}
}

func (n *node) kill() error {
	if n.cmd == nil {
		return nil
	}
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-n.gone
	return nil
}

func (n *node) signal(s syscall.Signal) error {
	if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("Kafka node %d: %s: %w", n.id, s, err)
	}
	return nil
}
