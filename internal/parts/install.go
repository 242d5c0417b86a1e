package parts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// KafkaVersion is the release of Apache Kafka that the tests run against.
const KafkaVersion = "4.4.0"

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>omnibus</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>` + KafkaVersion + `</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

// InstallKafka brings Kafka's jars into cacheDir with Maven, unless they are there. An installation that was broken off
// leaves nothing that a later one takes for whole.
func InstallKafka(ctx context.Context, cacheDir string) error {
	home, err := kafkaHome(cacheDir)
	if err != nil {
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	if _, err := os.Stat(home); err == nil {
		return nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(home), "kafka-*.part")
	if err != nil {
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // gone after the rename; else only space is lost
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o644); err != nil {
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	// Maven's own repository is a copy of the same jars: kept beside them while it runs, so that nothing is written
	// outside cacheDir.
	repository := filepath.Join(dir, "repository")
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-Dmaven.repo.local="+repository,
		"dependency:copy-dependencies", "-DoutputDirectory=lib")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install Kafka %s: mvn dependency:copy-dependencies: %w\n%s", KafkaVersion, err, out)
	}
	if err := os.RemoveAll(repository); err != nil {
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	if err := os.Rename(dir, home); err != nil {
		if _, there := os.Stat(home); there == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("install Kafka %s: %w", KafkaVersion, err)
	}
	return nil
}

// kafkaHome is absolute, as Maven and Kafka run in directories of their own.
func kafkaHome(cacheDir string) (string, error) {
	return filepath.Abs(filepath.Join(cacheDir, "kafka-"+KafkaVersion))
}
