import { cryptoEngineContract } from "../testkit/crypto-engine-contract.ts";
import { portableCryptoEngine } from "./index.ts";

cryptoEngineContract(portableCryptoEngine);
