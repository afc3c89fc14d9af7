import com.hivemq.embedded.EmbeddedExtension;
import com.hivemq.embedded.EmbeddedHiveMQ;
import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import java.nio.file.Path;

/** HiveMQ CE for the tests: `java -cp 'jars/*' HiveMq.java HOME`. By itself it admits nobody, so this admits everybody. */
class HiveMq {
  public static void main(String[] arguments) {
    Path home = Path.of(arguments[0]);
    EmbeddedExtension extension = EmbeddedExtension.builder()
        .withId("admit-all").withName("admit-all").withVersion("1").withAuthor("tests")
        .withPriority(0).withStartPriority(1000).withExtensionMain(new AdmitAll()).build();
    EmbeddedHiveMQ.builder()
        .withConfigurationFolder(home.resolve("conf")).withDataFolder(home.resolve("data"))
        .withExtensionsFolder(home.resolve("extensions")).withEmbeddedExtension(extension)
        .build().start().join();
    System.out.println("started");
  }

  static class AdmitAll implements ExtensionMain {
    public void extensionStart(ExtensionStartInput input, ExtensionStartOutput output) {
      SimpleAuthenticator admit = (request, answer) -> answer.authenticateSuccessfully();
      Services.securityRegistry().setAuthenticatorProvider(request -> admit);
    }

    public void extensionStop(ExtensionStopInput input, ExtensionStopOutput output) {}
  }
}
